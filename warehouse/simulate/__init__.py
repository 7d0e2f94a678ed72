"""A generated lender with known answers, for the demo, the tests and the benchmarks."""

from warehouse.simulate.lender import Simulation, simulate
from warehouse.simulate.profiles import CLEAN, PROFILES, Profile, Rates

__all__ = ["CLEAN", "PROFILES", "Profile", "Rates", "Simulation", "simulate"]
