"""The pages of campaigns, one file per noun."""
