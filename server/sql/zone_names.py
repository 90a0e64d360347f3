"""Time zones as AT TIME ZONE names them: abbreviations first, then full names (appendix B.4)."""

from server.errors import PgError
from server.sql.datetime_calendar import US_SECOND
from server.sql.zone_abbreviations import ABBREVIATIONS
from server.sql.zones import Zone, find_zone, fixed_zone


def _resolve(name: str) -> tuple[Zone, str | None]:
    """The zone, and the abbreviation when its offset changed over time; 22023."""
    entry = ABBREVIATIONS.get(name.lower())
    if isinstance(entry, str):
        zone = find_zone(entry)
        if zone is not None:
            return zone, name
    elif entry is not None:
        return fixed_zone(entry[0]), None
    zone = find_zone(name)
    if zone is None:
        raise PgError("22023", f'time zone "{name}" not recognized')
    return zone, None


def find_offset(name: str, moment: int) -> int:
    """Seconds east of Greenwich at the UTC moment; 22023."""
    zone, abbreviation = _resolve(name)
    if abbreviation is not None:
        found = zone.offset_of_abbreviation(moment, abbreviation)
        if found is not None:
            return found[0]
    return zone.at(moment)[0]


def named_zone(name: str) -> Zone:
    """The zone of that name; 22023."""
    return _resolve(name)[0]


def local_in_zone(name: str, moment: int) -> int:
    """The zone's local time at the UTC moment."""
    return moment + find_offset(name, moment) * US_SECOND


def moment_in_zone(name: str, local: int) -> int:
    """The UTC moment of a local time in the zone."""
    zone, abbreviation = _resolve(name)
    if abbreviation is not None:
        return local - find_offset(name, local - zone.local(local) * US_SECOND) * US_SECOND
    return local - zone.local(local) * US_SECOND
