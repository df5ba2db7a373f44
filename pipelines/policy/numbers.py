"""Rounding as the SQL models do it, for what is computed in Python: bounds of scores and worked examples."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Context, Decimal, localcontext

# Doubles are first taken as decimals of so many digits, so that 0.1 + 0.2 is 0.3.
_DOUBLE_DIGITS = 10
VALUE_DIGITS = 6

# Whole digits of two columns multiplied, and their decimals.
EXACT = Context(prec=80)
_MODES = {"half_up": ROUND_HALF_UP, "down": ROUND_DOWN, "up": ROUND_UP}


def rounded(number: Decimal, digits: int, mode: str = "half_up") -> Decimal:
    """`number` with so many decimals; `down` is toward 0, `up` and halves away from it."""
    with localcontext(EXACT):
        exact = number.quantize(Decimal(1).scaleb(-_DOUBLE_DIGITS), rounding=ROUND_HALF_UP)
        return exact.quantize(Decimal(1).scaleb(-digits), rounding=_MODES[mode])
