"""What every room stands on: errors, ids, the home, the sandbox, addresses, processes."""
