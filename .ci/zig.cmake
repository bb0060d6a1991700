# Zig's C++ compiler from PyPI, for the glibc of manylinux2014. FASTRELU_ARCHITECTURE names the processor.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $ENV{FASTRELU_ARCHITECTURE})
set(CMAKE_CXX_COMPILER python-zig c++ -target $ENV{FASTRELU_ARCHITECTURE}-linux-gnu.2.17)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
