"""The embedded demo market: invented companies on the real calendar, in the layouts of yahoo, simfin and cboe."""

from kairos.demo.market import write_market

__all__ = ["write_market"]
