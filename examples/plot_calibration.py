"""
Does the model know when it is wrong?
=====================================

``predict_proba`` says how sure each sample is of its cluster. The classes, which the fit never
saw, show how far that can be believed.
"""

from sklearn.datasets import load_digits

from skdeepclust import DECClustering
from skdeepclust.displays import ReliabilityDisplay

digits = load_digits()
train, test = digits.images[:800], digits.images[800:1400]
model = DECClustering(n_clusters=10, pretrain_epochs=15, max_iter=60, random_state=0).fit(train)
ReliabilityDisplay.from_estimator(model, test, digits.target[800:1400])
