#!/usr/bin/env python3
"""Prints decimal_math.txt, with Python's decimal module as the judge: python3 decimal_math.py > decimal_math.txt

The context is decimal128's: 34 digits, exponents of a first digit from -6143 to 6144, half-even, and clamp=1, which
keeps the exponent of the last digit at 6111 or less, as value/decimal.h does. Three things are asked elsewhere:
a remainder of a context wide enough for any quotient (the contract has no limit on it), a rounding of the wide
context with the range applied after it, and overflow and division by zero are "limit" and "invalid".
"""
import decimal
import random
from decimal import Decimal

TRAPS = [decimal.Overflow, decimal.DivisionByZero, decimal.InvalidOperation]
DECIMAL128 = decimal.Context(34, decimal.ROUND_HALF_EVEN, -6143, 6144, 1, 1, [], TRAPS)
WIDE = decimal.Context(13000, decimal.ROUND_HALF_EVEN, -99999, 99999, 1, 0, [], TRAPS)
decimal.setcontext(WIDE)  # scaleb() and the like must not round an operand
NINES = "9" * 34


def rounded(number, digits):
    if number.as_tuple().exponent >= -digits:
        return number
    cut = WIDE.quantize(number, Decimal((0, (1,), -digits)))
    return DECIMAL128.plus(cut).copy_sign(number)  # plus() brings it into the range, but makes a -0 a 0


PAIRS = {
    "add": DECIMAL128.add,
    "subtract": DECIMAL128.subtract,
    "multiply": DECIMAL128.multiply,
    "divide": DECIMAL128.divide,
    "remainder": WIDE.remainder,
}
SINGLES = {
    "negate": DECIMAL128.minus,
    "abs": lambda number: number.copy_abs(),
    "floor": lambda number: number.to_integral_value(decimal.ROUND_FLOOR, WIDE),
    "ceil": lambda number: number.to_integral_value(decimal.ROUND_CEILING, WIDE),
}


def say(operation, *operands):
    numbers = [Decimal(operand) for operand in operands]
    try:
        if operation == "round":
            result = rounded(numbers[0], operands[1])
        else:
            result = (PAIRS.get(operation) or SINGLES[operation])(*numbers)
        answer = str(result)
    except decimal.Overflow:
        answer = "limit"
    except (decimal.DivisionByZero, decimal.InvalidOperation):
        answer = "invalid"
    print(operation, *operands, "=", answer)


EDGES = [
    "0", "-0", "0E-6176", "-0E+6111", "0.00", "1", "-1", "10", "1.50", "-2.5", "3", "7E+20", "9223372036854775807",
    "9223372036854775808", "18446744073709551616", NINES, "-" + NINES, "5000000000000000000000000000000000",
    "0." + "3" * 34, "1E+33", "1E+34", "1E-34", "5E-35", "1E-6176", "-1E-6176", "5E-6143", "1E+6111", "1E+6144",
    "-9." + "9" * 33 + "E+6144", "9." + "9" * 33 + "E-6143",
]
EDGES = [str(DECIMAL128.create_decimal(edge)) for edge in EDGES]  # 1E+6144 needs its zeros


def coefficient(choose):
    digits = choose.choice([1, 1, 2, 3, 5, 8, 16, 17, 18, 19, 20, 33, 34, 34, choose.randint(1, 34)])
    shape = choose.randrange(8)
    if shape == 0:
        return 10**digits - 1
    if shape == 1:
        return 10**(digits - 1)
    if shape == 2:
        return 5 * 10**(digits - 1)
    if shape == 3:  # zeros at the end
        return choose.randrange(10**choose.randint(1, digits)) * 10**(digits - 1) % 10**digits
    if shape == 4:  # a power of two near 64 bits
        return min(10**34 - 1, 2**choose.randint(1, 112) + choose.randint(-1, 1))
    return choose.randrange(10**digits)


def number(choose, exponent):
    exponent = max(-6176, min(6111, exponent))
    return str(Decimal((choose.randrange(2), tuple(map(int, str(coefficient(choose)))), exponent)))


def exponents(choose):
    first = choose.randint(-6, 3)
    kind = choose.randrange(6)
    if kind <= 1:
        return first, choose.randint(-6, 3)
    if kind == 2:
        return first, first + choose.randint(-75, 75)
    if kind == 3:
        return choose.randint(-6176, 6111), choose.randint(-6176, 6111)
    if kind == 4:  # a product or quotient at the ends of the range
        end = choose.choice([-6176, 6111]) + choose.randint(-70, 70)
        return (end - first, first) if choose.randrange(2) else (end + first, first)
    return tuple(choose.choice([-6176, 6111]) + choose.randint(-3, 3) for _ in "ab")


def ties(choose):
    """Sums, products and roundings whose cut-off part is exactly a half, or a last digit away from it."""
    kept = choose.randrange(10**33, 10**34)
    zeros = choose.randint(1, 33)
    for nudge in (-1, 0, 1):
        cut = 5 * 10**(zeros - 1) + nudge
        say("add", str(kept), str(Decimal(cut).scaleb(-zeros)))
        say("subtract", str(kept), str(Decimal(cut).scaleb(-zeros)))
    say("add", "1E+33", "-" + str(Decimal(choose.choice([5, 51, 49, 500001])).scaleb(-choose.randint(2, 60))))
    say("multiply", str(choose.randrange(10**16, 10**17) * 2 + 1), str(choose.randrange(10**16, 10**17) * 10 + 5))
    digits = choose.randint(1, 30)
    head = choose.randrange(10**choose.randint(1, 34 - digits))
    for tail in (5 * 10**(digits - 1), 5 * 10**(digits - 1) + choose.choice([-1, 1])):
        say("round", str(Decimal(head * 10**digits + tail).scaleb(-digits - 2)), 2)


def carries(choose):
    """Sums whose scaled first number lies just above or below a multiple of 2^128, so that the low half wraps."""
    shift = choose.randint(12, 28)
    first = choose.randrange(10**(34 + shift) // 2**129, 10**(34 + shift) // 2**128) * 2**128 // 10**shift
    second = choose.randrange(10**33, 10**34)
    for number in (first, first + 1):
        for operation in ("add", "subtract"):
            say(operation, str(Decimal(number).scaleb(shift)), str(second))


def half_of_the_least(choose):
    """Products of 67 digits around half of 10^-6176."""
    while True:
        first = choose.randrange(5 * 10**33, 9 * 10**33)
        second = 5 * 10**66 // first + 1
        if first * second - 5 * 10**66 < 10**33:
            break
    for factor in (second - 1, second):
        say("multiply", str(Decimal(first).scaleb(-3000)), str(Decimal(factor).scaleb(-6176 - 67 + 3000)))
    for coefficient in ("4", "5", "6", "15", "25", "26"):
        say("multiply", coefficient + "E-6176", "0.1")
        say("divide", "-" + coefficient + "E-6176", "10")


def main():
    choose = random.Random(20081985)
    for operation in PAIRS:
        for edge in EDGES:
            for other in choose.sample(EDGES, 12):
                say(operation, edge, other)
        for zero in ("0", "-0", "0E+5", "0.000"):
            for other in ("0", "-0", "0E-3", "12.50", "-1E+3"):
                say(operation, zero, other)
                say(operation, other, zero)
        for _ in range(240):
            first, second = exponents(choose)
            say(operation, number(choose, first), number(choose, second))
    for dividend in ("1", "2", "-7", "10", "2.40", "100", "1E+3", NINES):
        for divisor in ("1", "2", "3", "4", "-8", "0.5", "2.00", "1E+2", "6", "7", "25", "1024"):
            say("divide", dividend, divisor)
            say("remainder", dividend, divisor)
    for _ in range(100):  # exact quotients of long numbers
        quotient, divisor = choose.randrange(1, 10**choose.randint(1, 17)), choose.randrange(1, 10**17)
        exponent = choose.randint(-20, 20)
        say("divide", str(Decimal(quotient * divisor).scaleb(exponent)), str(divisor))
    for _ in range(30):
        ties(choose)
    for _ in range(12):
        carries(choose)
    for _ in range(3):
        half_of_the_least(choose)
    for operation in SINGLES:
        for edge in EDGES:
            say(operation, edge)
        for _ in range(60):
            say(operation, number(choose, choose.choice([0, -1, -2, -17, -33, -34, -35, choose.randint(-50, 20)])))
    for edge in EDGES:
        for digits in (0, 2, -2, 6176, -6111, -6144, -6145, -9000):
            say("round", edge, digits)
    for _ in range(160):
        say("round", number(choose, choose.randint(-40, 5)), choose.randint(-36, 36))


main()
