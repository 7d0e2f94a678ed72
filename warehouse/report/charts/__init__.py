"""The charts of the portfolio report, a module a page; each is an Altair declaration over a named dataset."""
