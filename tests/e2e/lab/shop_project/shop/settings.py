# SPDX-License-Identifier: Apache-2.0
"""The smallest real Django project: no database, no applications, one middleware."""
SECRET_KEY = "laboratory"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["shop.views.name_the_worker"]
INSTALLED_APPS = []
USE_TZ = True
