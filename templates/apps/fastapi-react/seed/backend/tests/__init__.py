"""Tests of the back end. Run `pytest` in the folder above."""
