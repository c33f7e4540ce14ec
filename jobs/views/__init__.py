"""The pages of jobs: the list, one job's tabs, its draft, its versions, and a dialog per act."""
