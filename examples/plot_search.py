"""
Search parameters without labels
================================

``GridSearchCV`` with a scorer that needs no classes, and with ``memory=``, so that the candidates
share the pretraining of each fold.
"""

import tempfile

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skdeepclust import DECSClustering
from skdeepclust.metrics import clustering_accuracy, get_scorer

X, y = load_digits(return_X_y=True)
X, y = X[:600], y[:600]
model = DECSClustering(
    n_clusters=10, encoder="mlp:64-64", pretrain_epochs=20, max_iter=40,
    memory=tempfile.mkdtemp(), random_state=0,
)  # fmt: skip
grid = {"balance_weight": [0.0, 1.0, 3.0]}
search = GridSearchCV(model, grid, scoring=get_scorer("silhouette"), cv=2).fit(X)
pd.DataFrame(search.cv_results_)[["param_balance_weight", "mean_test_score", "std_test_score"]]

# %%
# The classes score what was chosen; they played no part in the choice.
print(f"accuracy {clustering_accuracy(y, search.predict(X)):.2f}")
