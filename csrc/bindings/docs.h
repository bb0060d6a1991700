// SPDX-License-Identifier: BSD-3-Clause
//
// Docstrings of the module's own functions. Those of the ufuncs are in python/fastrelu/_ufuncs.
#pragma once

namespace fastrelu::docs {

inline constexpr const char* isa = R"(Name the instruction set that every function runs on now.

Returns
-------
str
    The first of `available_isas`, or what the environment variable ``FASTRELU_ISA`` says.

Examples
--------
>>> import fastrelu as fr
>>> fr.isa() in fr.available_isas()
True
)";

inline constexpr const char* available_isas = R"(Name the instruction sets that this processor can run, best first.

Returns
-------
tuple of str
    Of ``"avx512"``, ``"avx2"``, ``"sse2"``, ``"neon"`` and ``"scalar"``. All give the same bits.

Examples
--------
>>> import fastrelu as fr
>>> fr.available_isas()[-1]
'scalar'
)";

}  // namespace fastrelu::docs
