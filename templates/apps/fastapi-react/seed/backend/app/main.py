"""The application. Start it with `uvicorn app.main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from app.config import Settings
from app.database import SessionDep, connect, create_tables
from app.errors import install_error_handlers
from app.frontend import install_frontend
from app.routers import api_router


class Health(BaseModel):
    """What monitoring reads."""

    status: str


def create_app(settings: Settings) -> FastAPI:
    """Puts the application together. Nothing is opened or written before it starts."""
    engine = connect(settings.database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        await run_in_threadpool(create_tables, engine)
        yield
        engine.dispose()

    app = FastAPI(
        title="API",
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.state.session_factory = sessionmaker(engine)
    install_error_handlers(app)

    @app.get("/api/health", tags=["System"])
    def check_health(session: SessionDep) -> Health:
        """Answers when the application runs and reaches its database."""
        session.execute(select(1))
        return Health(status="ok")

    app.include_router(api_router, prefix="/api")
    install_frontend(app, settings.frontend_dir)
    return app


app = create_app(Settings.from_environment())
