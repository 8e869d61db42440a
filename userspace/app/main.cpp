// SPDX-License-Identifier: Apache-2.0
// The command line: which command, with which options. What they do is in commands.h.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "userspace/app/commands.h"
#include "userspace/base/capabilities.h"

namespace {

constexpr const char* kAbout =
    "mtlswatch says, for every request that reaches Django, whose verified client certificate stands behind it, or that it "
    "bypassed mutual TLS, or that it cannot know, and why.";

struct Arguments {
  mtlswatch::RunOptions run;
  mtlswatch::AskOptions ask;
  std::string recording_file;
  std::string filter;
  std::string event_id;
  std::string log_file;
  bool follow = false;
  std::string log_level = "info";
  bool json = false;
  bool print_effective = false;
};

void log_to_standard_error(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("mtlswatch");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

void add_config_option(CLI::App* command, Arguments& arguments) {
  command->add_option("-c,--config", arguments.run.config.file, "Configuration file (default /etc/mtlswatch/mtlswatch.yaml)")
      ->envname("MTLSWATCH_CONFIG");
  command->add_option("--set", arguments.run.config.settings, "KEY=VALUE above the files and the environment, as limits.connections=9000")
      ->allow_extra_args(false);
}

void add_without_option(CLI::App* command, Arguments& arguments) {
  command->add_option("--without", arguments.run.without, "Pretend that this kernel lacks it: length_tracepoints, function_exits, call_exits, uprobe_multi, return_probes, seccomp")
      ->delimiter(',')
      ->envname("MTLSWATCH_WITHOUT");
}

void add_ask_options(CLI::App* command, Arguments& arguments) {
  add_config_option(command, arguments);
  command->add_option("--socket", arguments.ask.socket, "Admin socket of the running agent")->envname("MTLSWATCH_SOCKET");
  command->add_flag("--json", arguments.json, "As JSON");
}

void add_asking_commands(CLI::App& app, Arguments& arguments) {
  add_ask_options(app.add_subcommand("status", "What the running agent watches, counts and lacks; exit code 5 when degraded"), arguments);
  add_ask_options(app.add_subcommand("targets", "List the processes watched or found, why, and how well each can be seen"), arguments);
  CLI::App* events = app.add_subcommand("events", "The running agent's last verdicts, or all events as they come");
  add_ask_options(events, arguments);
  events->add_flag("-f,--follow", arguments.follow, "Go on with every event from now on");
  events->add_option("--filter", arguments.filter, "KEY=VALUE[|VALUE][,...]; keys: dataset verdict reason backend outcome action id");
  CLI::App* explain = app.add_subcommand("explain", "Say in plain words why an event says what it says");
  add_ask_options(explain, arguments);
  explain->add_option("ID", arguments.event_id, "event.id")->required();
  explain->add_option("--log", arguments.log_file, "Look in this file of JSON lines instead of asking the agent");
}

void add_commands(CLI::App& app, Arguments& arguments) {
  app.require_subcommand(1);
  app.add_option("--log-level", arguments.log_level, "trace, debug, info, warn, error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  CLI::App* run = app.add_subcommand("run", "Watch this host; events go to standard output as JSON lines");
  add_config_option(run, arguments);
  add_without_option(run, arguments);
  CLI::App* record = app.add_subcommand("record", "Watch, and write what the kernel said, scrubbed, to a new file");
  add_config_option(record, arguments);
  add_without_option(record, arguments);
  record->add_option("FILE", arguments.recording_file, "File to make, mode 0600")->required();
  CLI::App* replay = app.add_subcommand("replay", "Judge a recording again, without privileges");
  replay->add_option("FILE", arguments.recording_file, "Recording")->required();
  CLI::App* check = app.add_subcommand("check-config", "Read the configuration and say what is wrong with it");
  add_config_option(check, arguments);
  check->add_flag("--print-effective", arguments.print_effective, "Print the configuration in effect");
  check->add_flag("--json", arguments.json, "As JSON");
  CLI::App* doctor = app.add_subcommand("doctor", "Say whether this host can be watched, and what to do where not");
  doctor->add_flag("--json", arguments.json, "As JSON");
  add_without_option(doctor, arguments);
  add_asking_commands(app, arguments);
  app.add_subcommand("version", "Print the version")->add_flag("--json", arguments.json, "As JSON");
}

int run_command(const std::string& name, Arguments& arguments) {
  using namespace mtlswatch;
  if (name == "record") arguments.run.recording = arguments.recording_file;
  if (name == "run" || name == "record") return run_agent(arguments.run);
  if (name == "replay") return replay(arguments.recording_file);
  if (name == "check-config") return check_config(arguments.run.config, arguments.print_effective, arguments.json);
  if (name == "doctor") return doctor(arguments.run.without, arguments.json);
  arguments.ask.config = arguments.run.config;
  arguments.ask.json = arguments.json;
  if (name == "targets") return targets(arguments.ask);
  if (name == "status") return status(arguments.ask);
  if (name == "events") return events(arguments.ask, arguments.filter, arguments.follow);
  if (name == "explain") return explain(arguments.ask, arguments.event_id, arguments.log_file);
  return version(arguments.json);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kAbout, "mtlswatch");
  Arguments arguments;
  add_commands(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? mtlswatch::kExitOk : mtlswatch::kExitUsage;
  }
  log_to_standard_error(arguments.log_level);
  if (const mtlswatch::Status raised = mtlswatch::raise_capabilities(); !raised) spdlog::warn("{}", raised.error().message);
  arguments.run.config.environment = environ;
  return run_command(app.get_subcommands().front()->get_name(), arguments);
}
