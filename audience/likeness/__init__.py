"""Likeness: who the best customers are, what they have that others have not, and who is like them but no customer yet.

`asking`: what is asked, as of which instant. `customers`: who buys, and who of them is best. `traits`: the values by
which they are compared. `profile`: which of these stand out. `ranking`: look-alikes with their reasons. `checking`:
how well that would have done a year ago.
"""

from audience.likeness import asking, checking, customers, profile, ranking, traits

__all__ = ["asking", "checking", "customers", "profile", "ranking", "traits"]
