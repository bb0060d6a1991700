"""Run fastrelu on a local cluster of dask: two processes, and more data than they may hold.

A dask array stays lazy through fastrelu's ufuncs: each worker applies them to a chunk at a time.
Here 1 GiB goes through two workers that dask would end if they took 0.4 GB each. fastrelu gets one
thread in each, as the workers share the cores.

Needs ``pip install 'dask[array,distributed]'``.
"""

import resource

import dask.array as da
import fastrelu as fr
from dask.distributed import Client, LocalCluster

OPTIONS = {"threads_per_worker": 1, "memory_limit": "0.4 GB", "dashboard_address": None}


def largest_memory():
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":  # each worker imports this file
    with LocalCluster(n_workers=2, **OPTIONS) as cluster, Client(cluster) as client:
        client.run(fr.set_num_threads, 1)
        x = da.random.default_rng(0).random((1 << 17, 1 << 10), chunks=(1 << 11, 1 << 10)) - 0.5
        y = fr.leaky_relu(x, 0.25)
        different = (y != da.where(x > 0, x, x * 0.25)).sum()
        different, total = da.compute(different, y.sum())
        largest = max(client.run(largest_memory).values())
    print(f"{y.nbytes >> 20} MiB in {y.npartitions} chunks; a worker took at most {largest} MiB")
    print(f"sum {total:.6g}; elements that differ from NumPy's: {different}")
