"""The functions behind the sub-commands of `lending`; each takes the parsed arguments and the settings and returns the exit code."""
