"""The OpenAPI schema of the API: names of access tokens, and HEAD where it has its own code."""

from typing import Any, ClassVar

from django.utils.translation import get_language
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator

from workers.api.defaults import AccessTokenAuthentication


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Access tokens in the OpenAPI schema."""

    target_class = AccessTokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "`Token ava_...`, made on the page *Access tokens*.",
        }  # fmt: skip


class Endpoints(EndpointEnumerator):  # type: ignore[misc]
    """All methods of the API; HEAD only of views that do not answer it like GET."""

    def get_allowed_methods(self, callback: Any) -> list[str]:
        methods = list(super().get_allowed_methods(callback))  # type: ignore[no-untyped-call]
        return [*methods, "HEAD"] if hasattr(callback.cls, "head") else methods


class Generator(SchemaGenerator):  # type: ignore[misc]
    """Makes the schema of all users once: it depends on the code and the language alone."""

    endpoint_inspector_cls = Endpoints
    _made: ClassVar[dict[str | None, dict[str, Any]]] = {}  # by language

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        if not public or self.api_version:
            return dict(super().get_schema(request, public))  # type: ignore[no-untyped-call]
        language = get_language()
        if language not in self._made:
            made = super().get_schema(request, public)  # type: ignore[no-untyped-call]
            self._made[language] = made
        return self._made[language]
