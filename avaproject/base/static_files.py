"""Storage of static files whose names have a hash of their content, modules included."""

import re
from collections.abc import Callable
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedModulesStorage(CompressedManifestStaticFilesStorage):
    """Names imports with their hash as well, so that no browser mixes two versions."""

    support_js_module_import_aggregation = True
    max_post_process_passes = 50  # one for each level of imports

    def url_converter(
        self, name: str, hashed_files: dict[str, str], template: str | None = None
    ) -> Callable[[re.Match[str]], str]:
        convert: Any = super().url_converter(name, hashed_files, template)

        def converted(match: re.Match[str]) -> str:
            try:
                return convert(match)
            except ValueError:
                if name.endswith(".js"):  # an example in a comment of a library
                    return match[0]
                raise

        return converted
