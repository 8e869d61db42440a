// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/django_detector.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include "userspace/probe/process_view.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kManageBytes = 64 << 10;
constexpr std::size_t kIniBytes = 64 << 10;
constexpr std::size_t kLibraryFolders = 512;
constexpr std::string_view kSettings = "DJANGO_SETTINGS_MODULE";

constexpr std::array<std::string_view, 6> kServers = {"gunicorn", "uvicorn", "daphne", "hypercorn", "uwsgi", "granian"};
constexpr std::array<std::string_view, 9> kPythonPrograms = {"python",    "pypy",  "gunicorn", "uvicorn", "daphne",
                                                             "hypercorn", "uwsgi", "granian",  "django"};
/// Python programs that live beside Django in one environment, and whose listeners are not Django's.
constexpr std::array<std::string_view, 3> kNeighbours = {"supervisord", "celery", "circusd"};

using Words = std::vector<std::string>;

Words split_words(const std::string& text) {
  Words words;
  for (std::size_t begin = 0; (begin = text.find_first_not_of(" \t", begin)) != std::string::npos;) {
    const auto end = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

bool has_prefix_of(const std::string& name, const auto& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

bool runs_python(const std::string& executable) { return has_prefix_of(base_name(executable), kPythonPrograms); }

/// Index of the word that names the program: the first, or the script or module that an interpreter was given.
std::size_t program_index(const Words& words) {
  if (words.empty() || !base_name(words[0]).starts_with("py")) return 0;
  std::size_t index = 1;
  while (index < words.size() && words[index].starts_with("-") && words[index] != "-c" && words[index] != "-m") {
    const bool takes_value = words[index] == "-W" || words[index] == "-X";
    index += takes_value ? 2 : 1;
  }
  if (index < words.size() && words[index] == "-m") ++index;
  return index;
}

std::string program_name(const Words& words) {
  const std::size_t index = program_index(words);
  return index < words.size() ? base_name(words[index]) : "";
}

struct NamedClue {
  DetectionClue clue;
  std::string backend;
};

NamedClue named_clue(int score, std::string reason, std::string backend) {
  NamedClue named;
  named.clue.score = score;
  named.clue.reason = std::move(reason);
  named.backend = std::move(backend);
  return named;
}

std::string first_component(const std::string& module) { return module.substr(0, module.find('.')); }

std::optional<NamedClue> server_clue(const Words& words) {
  if (!has_prefix_of(program_name(words), kServers)) return std::nullopt;
  for (std::size_t index = program_index(words) + 1; index < words.size(); ++index) {
    const std::string module = django_module(words[index]);
    if (module.empty()) continue;
    return named_clue(3, program_name(words) + " serves " + module, first_component(module));
  }
  return std::nullopt;
}

std::optional<NamedClue> runserver_clue(const Words& words) {
  const std::size_t index = program_index(words);
  if (index + 1 >= words.size()) return std::nullopt;
  const std::string program = base_name(words[index]);
  if (program != "manage.py" && !program.starts_with("django-admin") && program != "django") return std::nullopt;
  if (!words[index + 1].starts_with("runserver")) return std::nullopt;
  return named_clue(3, program + " " + words[index + 1], "");
}

std::optional<NamedClue> command_clue(const std::string& command_line) {
  const Words words = split_words(command_line);
  const auto server = server_clue(words);
  return server ? server : runserver_clue(words);
}

std::optional<NamedClue> parent_clue(const DjangoCandidate& candidate) {
  if (candidate.command_line.find("spawn_main") == std::string::npos) return std::nullopt;
  auto clue = command_clue(candidate.parent_command_line);
  if (clue) clue->clue.reason = "spawned by: " + clue->clue.reason;
  return clue;
}

/// uWSGI: the configuration file may be all that names the module.
std::optional<NamedClue> ini_clue(const ProcReader& reader, const DjangoCandidate& candidate) {
  const Words words = split_words(candidate.command_line);
  if (!program_name(words).starts_with("uwsgi")) return std::nullopt;
  for (const std::string& word : words) {
    const std::string path = word.substr(word.find('=') + 1);
    if (!path.ends_with(".ini") && !path.ends_with(".yaml") && !path.ends_with(".yml")) continue;
    const auto text =
        ProcessView(reader.path(candidate.pid, path.starts_with("/") ? "root" : "cwd")).read(path, kIniBytes);
    if (!text) continue;
    std::string separated = *text;
    std::replace_if(
        separated.begin(), separated.end(), [](char c) { return c == '\n' || c == '\r' || c == '='; }, ' ');
    for (const std::string& part : split_words(separated)) {
      const std::string module = django_module(part);
      if (!module.empty()) return named_clue(3, base_name(path) + " names " + module, first_component(module));
    }
    if (text->find(kSettings) != std::string::npos)
      return named_clue(3, base_name(path) + " sets " + std::string(kSettings), "");
  }
  return std::nullopt;
}

std::optional<NamedClue> environment_clue(const ProcReader& reader, std::uint32_t pid) {
  const auto settings = reader.environment_variable(pid, std::string(kSettings));
  if (!settings || settings->empty()) return std::nullopt;
  return named_clue(4, std::string(kSettings) + "=" + settings->substr(0, 100), first_component(*settings));
}

std::optional<NamedClue> manage_clue(const ProcReader& reader, std::uint32_t pid) {
  const auto text = ProcessView(reader.path(pid, "cwd")).read("manage.py", kManageBytes);
  if (!text || text->find(kSettings) == std::string::npos) return std::nullopt;
  return named_clue(3, "manage.py in its working directory names " + std::string(kSettings), "");
}

bool has_django(const ProcessView& root, const std::string& prefix) {
  const std::string library = prefix + "/lib";
  for (const std::string& name : root.names(library, kLibraryFolders)) {
    if (!name.starts_with("python3")) continue;
    for (const char* packages : {"/site-packages", "/dist-packages"}) {
      if (root.exists(library + "/" + name + packages + "/django/__init__.py")) return true;
    }
  }
  return false;
}

/// The prefixes an interpreter may have: its virtual environment's, that of the names it was called by, its own.
std::optional<NamedClue> package_clue(const ProcReader& reader, const DjangoCandidate& candidate) {
  std::vector<std::string> prefixes;
  if (const auto venv = reader.environment_variable(candidate.pid, "VIRTUAL_ENV")) prefixes.push_back(*venv);
  Words programs = split_words(candidate.command_line);
  programs.resize(std::min<std::size_t>(programs.size(), 2));
  programs.push_back(candidate.executable);
  for (const std::string& program : programs) {
    const auto folder = program.rfind("/bin/");
    if (program.starts_with("/") && folder != std::string::npos) prefixes.push_back(program.substr(0, folder));
  }
  const ProcessView root(reader.path(candidate.pid, "root"));
  for (const std::string& prefix : prefixes) {
    if (has_django(root, prefix)) return named_clue(2, "django is installed in " + prefix + "/lib", "");
  }
  return std::nullopt;
}

std::string fallback_name(const ProcReader& reader, std::uint32_t pid) {
  const auto directory = reader.working_directory(pid);
  const std::string name = directory ? base_name(*directory) : "";
  return name.empty() ? "django" : name;
}

bool is_module_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

}  // namespace

std::string django_module(const std::string& argument) {
  std::string text = argument.substr(argument.rfind('=') + 1);
  text.erase(std::remove_if(text.begin(), text.end(),
                            [](char c) { return std::string_view("[]\"'").find(c) != std::string_view::npos; }),
             text.end());
  const bool is_path = text.ends_with(".py");
  if (is_path) {
    text.resize(text.size() - 3);
    const auto slash = text.rfind('/');
    if (slash == std::string::npos) return "";
    text = base_name(text.substr(0, slash)) + "." + text.substr(slash + 1);
  }
  text = text.substr(0, text.find(':'));
  const bool is_django = text.ends_with(".wsgi") || text.ends_with(".asgi");
  if (!is_django || text.front() == '.' || !std::all_of(text.begin(), text.end(), is_module_character)) return "";
  return text;
}

DjangoDetection detect_django(const ProcReader& reader, const DjangoCandidate& candidate) {
  DjangoDetection detection;
  const std::string program = program_name(split_words(candidate.command_line));
  if (!runs_python(candidate.executable) || has_prefix_of(program, kNeighbours)) return detection;
  for (const auto& clue :
       {command_clue(candidate.command_line), parent_clue(candidate), ini_clue(reader, candidate),
        environment_clue(reader, candidate.pid), manage_clue(reader, candidate.pid), package_clue(reader, candidate)}) {
    if (!clue) continue;
    detection.score += clue->clue.score;
    detection.clues.push_back(clue->clue);
    if (detection.backend.empty()) detection.backend = clue->backend;
  }
  if (detection.backend.empty()) detection.backend = fallback_name(reader, candidate.pid);
  return detection;
}

}  // namespace mtlswatch
