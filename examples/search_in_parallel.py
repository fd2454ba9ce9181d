"""Search parameters on the workers of Dask or of Ray, without a line about them in the estimator.

    python examples/search_in_parallel.py dask    (pip install distributed)
    python examples/search_in_parallel.py ray     (pip install ray)

scikit-learn hands its fits to joblib, and joblib to whatever ``parallel_config`` names. Here the
workers are processes of this machine; give ``Client`` or ``ray.init`` the address of a cluster to
use that. The folder of ``memory`` must then be one that all its machines see.
"""

import argparse
import tempfile

import joblib
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skdeepclust import DECSClustering
from skdeepclust.metrics import get_scorer


def search(memory: str) -> GridSearchCV:
    """Six fits and the final one, which share the pretraining of each training set."""
    X = load_digits().data[:600]
    model = DECSClustering(
        n_clusters=10, encoder="mlp:64-64", pretrain_epochs=10, max_iter=20,
        memory=memory, random_state=0,
    )  # fmt: skip
    grid = {"balance_weight": [0.0, 1.0, 3.0]}
    return GridSearchCV(model, grid, scoring=get_scorer("silhouette"), cv=2, n_jobs=2).fit(X)


def search_on_dask(memory: str) -> GridSearchCV:
    from distributed import Client

    with Client(n_workers=2, threads_per_worker=1), joblib.parallel_config(backend="dask"):
        return search(memory)


def search_on_ray(memory: str) -> GridSearchCV:
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2)
    register_ray()
    try:
        with joblib.parallel_config(backend="ray"):
            return search(memory)
    finally:
        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backend", choices=["dask", "ray"])
    run = {"dask": search_on_dask, "ray": search_on_ray}[parser.parse_args().backend]
    with tempfile.TemporaryDirectory() as memory:
        found = run(memory)
    for params, score in zip(
        found.cv_results_["params"], found.cv_results_["mean_test_score"], strict=True
    ):
        print(params, f"{score:.3f}")
    print("best:", found.best_params_)


if __name__ == "__main__":
    main()
