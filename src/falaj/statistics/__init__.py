"""Statistics: numpy alone, no clock, file or network. Rollouts, profiles, drift, losses, comparisons."""
