"""The embedded demo market: invented companies on the real calendar, in the layouts of sharadar, finra and cboe."""

from kairos.demo.files import write_market

__all__ = ["write_market"]
