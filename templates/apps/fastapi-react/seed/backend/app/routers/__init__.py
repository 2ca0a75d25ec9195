"""The registry of routers."""

from fastapi import APIRouter

api_router = APIRouter()
