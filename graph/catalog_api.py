"""
Reads the entities of a Backstage software catalogue: descriptor files, or the catalogue's API.

The API is asked page by page (`/api/catalog/entities/by-query`), with the token that Backstage
gives to other services. Files are what stands as `catalog-info.yaml` in repositories. What an
entity means is not here.
Source: https://backstage.io/docs/features/software-catalog/software-catalog-api and
https://backstage.io/docs/features/software-catalog/descriptor-format
"""

from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any

import httpx
import yaml

from graph import yaml_text
from graph.endpoints import CatalogSettings
from graph.errors import AccessDeniedError, BadInputError, UnavailableError

_PAGE = 500
_MOST_PAGES = 400  # 200,000 entities; a cursor that never ends must not hold us
_REFUSED = frozenset({401, 403})

Entity = Mapping[str, Any]


def entities_of_api(name: str, settings: CatalogSettings) -> Iterator[Entity]:
    """
    Yield every entity.

    Raises:
        AccessDeniedError: the token is missing or wrong. UnavailableError: no usable answer.
    """
    headers = {"Accept": "application/json"}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    url = f"{settings.url.rstrip('/')}/api/catalog/entities/by-query"
    query: dict[str, str | int] = {"limit": _PAGE}
    asked = {""}
    while True:
        page = _asked(name, url, query, headers, timeout=settings.timeout)
        items = page.get("items")
        yield from (item for item in items or () if isinstance(item, Mapping))
        cursor = (page.get("pageInfo") or {}).get("nextCursor")
        if not cursor:
            return
        if str(cursor) in asked or len(asked) > _MOST_PAGES:
            raise UnavailableError(
                f"The catalogue {name} sends on to a page that it gave before, or without end.",
                means="Owners that it named are kept as they were.",
                do_now="Ask whoever runs Backstage; a proxy before it may drop the cursor.",
            )
        asked.add(str(cursor))
        query = {"limit": _PAGE, "cursor": str(cursor)}


def entities_of_file(path: Path) -> Iterator[Entity]:
    """
    Yield the entities of one file.

    Raises:
        BadInputError: it cannot be read, or is no YAML.
    """
    try:
        for document in yaml_text.load_all(path.read_text(encoding="utf-8")):
            if isinstance(document, Mapping):
                yield document
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(
            f"The catalogue file {path} cannot be read: {type(error).__name__}.",
            do_now="Correct the file, or take it off `catalogs`.",
        ) from None


def files_of(settings: CatalogSettings) -> tuple[Path, ...]:
    """Resolve the globs, `**` included."""
    found = {each for pattern in settings.files for each in glob(pattern, recursive=True)}  # noqa: PTH207 - absolute patterns
    return tuple(Path(each) for each in sorted(found) if Path(each).is_file())


def _asked(
    name: str,
    url: str,
    query: Mapping[str, str | int],
    headers: Mapping[str, str],
    *,
    timeout: float,
) -> Mapping[str, Any]:
    try:
        answer = httpx.get(url, params=dict(query), headers=dict(headers), timeout=timeout)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError(
            f"The catalogue {name} does not answer ({type(error).__name__}).",
            means="Owners that it named are kept as they were.",
            do_now=f"Check catalogs.{name}.url and the network policy of the bot.",
        ) from None
    if answer.status_code in _REFUSED:
        raise AccessDeniedError(
            f"The catalogue {name} refuses ({answer.status_code}).",
            means="Owners that it names are not known.",
            do_now=f"Give a static token for external access (catalogs.{name}.token).",
        )
    try:
        found = answer.json() if answer.is_success else None
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise UnavailableError(
            f"The catalogue {name} answered {answer.status_code} with nothing usable.",
            means="Owners that it named are kept as they were.",
            do_now=f"Check that catalogs.{name}.url is the address of Backstage.",
        )
    return found
