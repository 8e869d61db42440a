# SPDX-License-Identifier: Apache-2.0
"""The least a Django project needs. It serves the demonstration on loopback and nothing else."""
SECRET_KEY = "of no use outside the demonstration"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = []
INSTALLED_APPS = []
