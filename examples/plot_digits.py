"""
Cluster images and look at the result
=====================================

A short fit on the digits that come with scikit-learn. No label enters the fit.
"""

from sklearn.datasets import load_digits

from skdeepclust import DECSClustering
from skdeepclust.displays import ClusterGalleryDisplay, ClusterMapDisplay, TrainingCurveDisplay

digits = load_digits()
images = digits.images[:800]
model = DECSClustering(n_clusters=10, pretrain_epochs=15, max_iter=60, random_state=0)
labels = model.fit_predict(images)

# %%
# Examples of every cluster: a row that shows one digit on the left and others on the right is a
# cluster whose border is in doubt.
ClusterGalleryDisplay.from_estimator(model, images)

# %%
# The embedding, brought into the plane; pale points are doubtful.
ClusterMapDisplay.from_estimator(model, images)

# %%
# Pretraining that still falls steeply at its end wants more epochs.
TrainingCurveDisplay.from_estimator(model, terms=["balance"])
