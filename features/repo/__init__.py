"""The folder that the feast command scans; definitions.py imports the objects, nothing else goes here."""
