"""How well anybody can predict defaults of the generated lender: the exact Bayes ceiling for clients with one contract each."""

from warehouse.simulate.ceiling.figures import Ceiling, ceiling

__all__ = ["Ceiling", "ceiling"]
