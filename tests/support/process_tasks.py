"""What processes on this machine are told, so that they train together."""

import json
import socket


def worker_tasks(workers):
    """`TF_CONFIG` of each worker of `tf.distribute`."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    cluster = {"worker": addresses}
    tasks = [{"type": "worker", "index": index} for index in range(workers)]
    return [json.dumps({"cluster": cluster, "task": task}) for task in tasks]


def process_tasks(processes):
    """Environment of each process of PyTorch, as `torchrun` sets it."""
    [port] = free_ports(1)
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared = {**meeting, "WORLD_SIZE": str(processes), "OMP_NUM_THREADS": "1"}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def free_ports(number):
    """So many ports that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
