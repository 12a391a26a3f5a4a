"""What a release meets in service, compared with what it was made from: profiles, drift, quality, performance."""

__all__: list[str] = []
