"""Serves the built user interface from the same origin as the API."""

from pathlib import Path

from fastapi import FastAPI, HTTPException, status
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles


def install_frontend(app: FastAPI, directory: Path) -> None:
    """Must be called after all API routes: it answers everything else."""

    @app.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    def unknown_api(path: str) -> None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no /api/{path}")

    bundle = directory / "_app"
    if bundle.is_dir():
        app.mount("/_app", StaticFiles(directory=bundle), name="bundle")

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> FileResponse:
        """A file of the interface, or its start page: routes of the interface exist only in the browser."""
        root = directory.resolve()
        file = (root / path).resolve()
        if path and file.is_relative_to(root) and file.is_file():
            return FileResponse(file)
        index = root / "index.html"
        if not index.is_file():
            raise HTTPException(status.HTTP_404_NOT_FOUND, "The user interface is not built. See README.md.")
        # The names of all other files change with their content; this one must be asked for anew.
        return FileResponse(index, headers={"Cache-Control": "no-cache"})
