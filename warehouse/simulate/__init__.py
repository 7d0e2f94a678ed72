"""A generated lender with known answers, for the demo, the tests and the benchmarks."""

from warehouse.simulate.arrivals import read_arrivals
from warehouse.simulate.lender import Simulation, simulate
from warehouse.simulate.profiles import CLEAN, PLAIN, PROFILES, FileRates, Profile, ProfileError, Rates

__all__ = ["CLEAN", "PLAIN", "PROFILES", "FileRates", "Profile", "ProfileError", "Rates", "Simulation", "read_arrivals", "simulate"]
