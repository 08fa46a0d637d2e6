"""Partners: who asks to become one, what they have to do first, how far they are, and what they bring.

What happens to a partner are activities of its account, so that the rules of its lifecycle, conditions and reports ask
for them like for any others: `partner_application`, `application_approved`, `application_declined`,
`partner_certified`, `deal_registered`, and the kinds of the steps of a programme.
"""
