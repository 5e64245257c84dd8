"""What a maker wants made: from a draft with a file to a job that is done, failed or cancelled."""
