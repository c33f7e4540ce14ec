"""How an amount of CU is written, wherever it is told."""

from decimal import Decimal


def cu_text(amount: Decimal) -> str:
    """Write an amount without useless zeros: the database says 32.00, people say 32."""
    return f"{Decimal(amount).normalize():f}"
