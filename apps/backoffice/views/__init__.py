"""Pages of the back office beside the lists of the admin."""
