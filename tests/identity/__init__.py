"""Which records are one partner: names, rules, the crosswalk, and how good the rules are on labelled pairs."""
