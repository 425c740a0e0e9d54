"""The Qonto simulator: a stand-in for the bank, with its own state and its own words. See README.md beside this file."""

from portal.simulator.app import CLIENT_ID, CLIENT_SECRET, create_simulator

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "create_simulator"]
