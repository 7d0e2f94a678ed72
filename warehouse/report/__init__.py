"""The portfolio report: charts and pages from the released marts, as HTML files that open without a network."""
