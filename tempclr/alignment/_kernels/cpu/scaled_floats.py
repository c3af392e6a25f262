"""Numbers z * 2**e with a separate exponent e, which neither overflow nor lose digits in long sums.

z is a float in [1, 2), or 0; e is an integer of the same width. The functions are written as LLVM instructions,
because NumPy's either do not vectorise or widen the type.
"""

import math
from typing import no_type_check

from tempclr._util.optional import import_optional

numba = import_optional("numba", "cpu")
ir = import_optional("llvmlite.ir", "cpu")
types = numba.types
intrinsic = import_optional("numba.extending", "cpu").intrinsic

SIDE = 8  # side of the squares that `transpose` turns

# powers of two are needed on [-1/2, 1/2] only, where Taylor series of these degrees have errors of 5e-9 and 5e-18
_SERIES = [math.log(2) ** k / math.factorial(k) for k in range(14)]
_DEGREE = {32: 7, 64: 13}
_MANTISSA = {32: 23, 64: 52}
_BIAS = {32: 127, 64: 1023}


@no_type_check
def _integer(number):
    """The numba type of integers as wide as a float."""
    return types.int32 if number.bitwidth == 32 else types.int64


@intrinsic
@no_type_check
def apart(context):
    """Keep the calling function from being inlined, which would make LLVM vectorise it less well."""

    def generate(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
@no_type_check
def multiply_add(context, a, b, c):
    """a * b + c, rounded once."""
    return c(c, c, c), lambda _, builder, __, args: builder.fma(*args)


@intrinsic
@no_type_check
def nearest(context, x):
    """The nearest whole number, as a float."""

    def generate(_, builder, signature, args):
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [args[0].type]), args)

    return x(x), generate


@intrinsic
@no_type_check
def whole(context, x):
    """A whole float as an integer."""
    integer = _integer(x)
    return integer(x), lambda _, builder, __, args: builder.fptosi(args[0], ir.IntType(integer.bitwidth))


@intrinsic
@no_type_check
def power(context, x):
    """2**x for x in [-1/2, 1/2]."""

    def generate(_, builder, signature, args):
        total, *others = (args[0].type(term) for term in reversed(_SERIES[: _DEGREE[x.bitwidth] + 1]))
        for term in others:
            total = builder.fma(total, args[0], term)
        return total

    return x(x), generate


@intrinsic
@no_type_check
def scale(context, exponent, top):
    """2**(exponent - top), or exactly 0 where that is too small to matter."""
    number = types.float32 if exponent.bitwidth == 32 else types.float64

    def generate(_, builder, signature, args):
        integer = args[0].type
        shifted = builder.add(builder.sub(*args), integer(_BIAS[integer.width]))
        positive = builder.select(builder.icmp_signed(">", shifted, integer(0)), shifted, integer(0))
        bits = builder.shl(positive, integer(_MANTISSA[integer.width]))
        return builder.bitcast(bits, ir.FloatType() if integer.width == 32 else ir.DoubleType())

    return number(exponent, exponent), generate


@intrinsic
@no_type_check
def magnitude(context, z):
    """The exponent of z > 0 as an integer."""
    integer = _integer(z)

    def generate(_, builder, signature, args):
        width = ir.IntType(integer.bitwidth)
        bits = builder.bitcast(args[0], width)
        return builder.sub(builder.lshr(bits, width(_MANTISSA[width.width])), width(_BIAS[width.width]))

    return integer(z), generate


@intrinsic
@no_type_check
def significand(context, z):
    """z without its exponent: a number in [1, 2) for z > 0, and 0 for 0."""
    integer = _integer(z)

    def generate(_, builder, signature, args):
        width = ir.IntType(integer.bitwidth)
        mantissa, bias = width(_MANTISSA[width.width]), _BIAS[width.width]
        bits = builder.lshr(builder.bitcast(args[0], width), mantissa)
        inverse = builder.shl(builder.sub(width(2 * bias), bits), mantissa)
        return builder.fmul(args[0], builder.bitcast(inverse, args[0].type))

    return z(z), generate


@intrinsic
@no_type_check
def transpose(context, source, starts, shift, target, target_starts, target_shift):
    """Rows source[starts[r] + shift :] become the columns of the rows target[target_starts[c] + target_shift :].

    The target may be narrower than the source.
    """

    def generate(context, builder, signature, args):
        vectors = {kind: ir.VectorType(context.get_data_type(kind.dtype), SIDE) for kind in (source, target)}

        def row(kind, array, kinds, offsets, moved, r):
            """Where row r lies in memory."""
            first = context.make_array(kinds)(context, builder, offsets).data
            place = builder.add(builder.load(builder.gep(first, [moved.type(r)])), moved)
            pointer = builder.gep(context.make_array(kind)(context, builder, array).data, [place])
            return builder.bitcast(pointer, vectors[kind].as_pointer())

        align, target_align = source.dtype.bitwidth // 8, target.dtype.bitwidth // 8
        rows = [builder.load(row(source, args[0], starts, args[1], args[2], r), align=align) for r in range(SIDE)]
        if source.dtype != target.dtype:
            rows = [builder.fptrunc(each, vectors[target]) for each in rows]
        half = SIDE // 2
        orders = [[i // 2 + start + SIDE * (i % 2) for i in range(SIDE)] for start in (0, half)]
        pairs = [ir.Constant(ir.VectorType(ir.IntType(32), SIDE), order) for order in orders]
        # a perfect shuffle of rows r and r + SIDE / 2, repeated, brings every element to its place
        for _ in range(SIDE.bit_length() - 1):
            rows = [builder.shuffle_vector(rows[r], rows[r + half], each) for r in range(half) for each in pairs]
        for r in range(SIDE):
            builder.store(rows[r], row(target, args[3], target_starts, args[4], args[5], r), align=target_align)
        return context.get_dummy_value()

    return types.void(source, starts, types.intp, target, target_starts, types.intp), generate
