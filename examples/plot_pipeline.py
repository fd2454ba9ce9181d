"""
Features for a classifier
=========================

Every estimator is a transformer, too: an embedding that was learnt without labels, in front of a
classifier that has few of them.
"""

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdeepclust import IDECClustering

digits = load_digits()
X, y = digits.data[:800], digits.target[:800]
embed = IDECClustering(
    n_clusters=10, encoder="mlp:128-128", pretrain_epochs=20, max_iter=60, random_state=0
).fit(X)  # all samples, no label

few = slice(0, 100)
model = make_pipeline(embed, LogisticRegression(max_iter=1000))
model.steps[-1][1].fit(embed.transform(X[few]), y[few])
print(f"accuracy with 100 labels: {model.score(X[100:], y[100:]):.2f}")
model
