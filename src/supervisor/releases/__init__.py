"""What is to be served: releases as recorded, what a deployment starts from, and the model file of either."""
