if __name__ != "physode.systems":
    raise ImportError(f"this package is imported as physode.systems, not as {__name__!r}")
