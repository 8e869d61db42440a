// SPDX-License-Identifier: Apache-2.0
// Takes a process for Django, or not, by adding up clues. Used by discovery for processes that listen and that no
// configured backend matches. Scores: a server's command line with a Django-like module, or `manage.py runserver`, 3;
// the same of the parent, for workers that multiprocessing spawned, 3; an ini file of uWSGI that names such a module,
// 3; DJANGO_SETTINGS_MODULE in the first environment, 4; a manage.py in the working directory, 3; an installed django,
// 2. The name of a server alone (gunicorn, uvicorn) scores nothing: it runs Flask as well.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/model/process.h"
#include "userspace/probe/proc_reader.h"

namespace mtlswatch {

/// From this score on a process that listens is taken for Django.
inline constexpr int kDjangoScore = 3;

struct DjangoCandidate {
  std::uint32_t pid = 0;
  std::string executable;
  std::string command_line;
  std::string parent_command_line;
};

struct DjangoDetection {
  int score = 0;
  std::vector<DetectionClue> clues;
  /// First component of the module ("shop" of shop.wsgi), else the working directory's name, else "django".
  std::string backend;

  bool detected() const { return score >= kDjangoScore; }
};

/// Only processes that run Python are looked at: a container's whole environment may name Django's settings.
DjangoDetection detect_django(const ProcReader& reader, const DjangoCandidate& candidate);

/// "shop.wsgi" of an argument such as "shop.wsgi:application", "--module=shop.wsgi" or "shop/wsgi.py"; else empty.
std::string django_module(const std::string& argument);

}  // namespace mtlswatch
