"""
How many clusters?
==================

One pretraining, then every number of clusters is scored in its embedding. Clustering with the
number that was chosen finds the pretraining in the cache.
"""

import tempfile

import numpy as np
from sklearn.datasets import load_digits

from skdeepclust import DECSClustering
from skdeepclust.model_selection import select_n_clusters

images = load_digits().images[:800]
cache = tempfile.mkdtemp()
model = DECSClustering(pretrain_epochs=15, max_iter=60, memory=cache, random_state=0)

found = select_n_clusters(model, images, range(2, 16))
found.plot()

# %%
# A sharp maximum is evidence; on a plateau several numbers are as good.
model.set_params(n_clusters=found.n_clusters).fit(images)
print(f"{found.n_clusters} clusters of {np.bincount(model.labels_).tolist()} samples")
