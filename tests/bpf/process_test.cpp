// SPDX-License-Identifier: Apache-2.0
// The life of observed processes: what children inherit, what another image keeps, that nothing outlives its process.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/bpf/live_kernel.h"

namespace mtlswatch::test {
namespace {

class Process : public LiveKernel {
 protected:
  std::vector<mtlswatch_process> changes_of(pid_t pid, std::uint32_t change) {
    std::vector<mtlswatch_process> found;
    for (const Record& record : of_kind(records_of(pid), MTLSWATCH_KIND_PROCESS)) {
      const auto process = record.as<mtlswatch_process>();
      if (process.change == change) found.push_back(process);
    }
    return found;
  }
};

TEST_F(Process, hands_its_observation_to_those_it_forks) {
  const Listener listener(Network::kTcp4);
  Child child([&](Notes& notes) {
    const pid_t worker = fork();
    if (worker == 0) {
      const SocketPair pair(listener);
      put(pair.client, "GET");
      get(pair.server, 3);
      _exit(0);
    }
    notes[0] = static_cast<std::uint64_t>(worker);
    must(waitpid(worker, nullptr, 0) == worker, "waitpid");
  });
  run_observed(child, kBackend);
  const auto worker = static_cast<pid_t>(child.notes()[0]);
  const auto forks = changes_of(worker, MTLSWATCH_PROCESS_FORK);
  ASSERT_EQ(forks.size(), 1u);
  EXPECT_EQ(forks[0].parent_pid, static_cast<std::uint32_t>(child.pid()));
  EXPECT_EQ(forks[0].observed, kBackend);
  EXPECT_EQ(captured_of(of_kind(records_of(worker), MTLSWATCH_KIND_IO)), "GET");
  EXPECT_EQ(changes_of(worker, MTLSWATCH_PROCESS_EXIT).size(), 1u);
  EXPECT_EQ(observed(worker), 0u);
  EXPECT_EQ(observed(child.pid()), kBackend);
}

TEST_F(Process, that_is_not_observed_hands_nothing_on) {
  Child child([&](Notes& notes) {
    const pid_t worker = fork();
    if (worker == 0) _exit(0);
    notes[0] = static_cast<std::uint64_t>(worker);
    must(waitpid(worker, nullptr, 0) == worker, "waitpid");
  });
  ASSERT_TRUE(child.run());
  EXPECT_EQ(records_of(static_cast<pid_t>(child.notes()[0])).size(), 0u);
}

TEST_F(Process, is_no_backend_any_more_once_it_is_another_program) {
  int pipe_ends[2] = {-1, -1};
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  UniqueFd writing(pipe_ends[1]);
  Child child([&](Notes&) {
    dup2(pipe_ends[0], STDIN_FILENO);
    execl("/bin/cat", "cat", nullptr);
    must(false, "exec");
  });
  observe(child, kBackend);
  child.start();
  EXPECT_TRUE(
      ring().wait_for([&](const Records&) { return !changes_of(child.pid(), MTLSWATCH_PROCESS_EXEC).empty(); }));
  const auto execs = changes_of(child.pid(), MTLSWATCH_PROCESS_EXEC);
  ASSERT_EQ(execs.size(), 1u);
  constexpr std::uint32_t kAfter = MTLSWATCH_OBSERVED_PEER | MTLSWATCH_OBSERVED_SCANNED;
  EXPECT_EQ(execs[0].observed, kAfter);
  EXPECT_EQ(observed(child.pid()), kAfter);
  writing = UniqueFd();
  const pid_t pid = child.pid();
  EXPECT_EQ(child.end(), 0);
  EXPECT_EQ(observed(pid), 0u);
  close(pipe_ends[0]);
}

TEST_F(Process, is_told_when_it_execs_even_if_nothing_is_known_of_it) {
  Child child([&](Notes&) {
    execl("/bin/true", "true", nullptr);
    must(false, "exec");
  });
  const pid_t pid = child.pid();
  child.start();
  EXPECT_EQ(child.end(), 0);
  const auto execs = changes_of(pid, MTLSWATCH_PROCESS_EXEC);
  ASSERT_EQ(execs.size(), 1u);
  EXPECT_EQ(execs[0].observed, 0u);
  EXPECT_EQ(records_of(pid).size(), 1u);
}

TEST_F(Process, is_forgotten_at_its_exit) {
  Child child([](Notes&) {});
  run_observed(child, kServer);
  EXPECT_EQ(observed(child.pid()), kServer);
  const pid_t pid = child.pid();
  child.end();
  EXPECT_EQ(observed(pid), 0u);
  EXPECT_EQ(changes_of(pid, MTLSWATCH_PROCESS_EXIT).size(), 1u);
}

TEST_F(Process, is_not_forgotten_when_one_of_its_threads_ends) {
  Child child([](Notes&) { std::thread([] {}).join(); });
  run_observed(child, kServer);
  EXPECT_EQ(observed(child.pid()), kServer);
  EXPECT_EQ(of_kind(records_of(child.pid()), MTLSWATCH_KIND_PROCESS).size(), 0u);
}

TEST_F(Process, is_told_and_observed_when_it_begins_to_listen) {
  Child child([](Notes& notes) {
    const Listener listener(Network::kTcp4);
    notes[0] = listener.port();
  });
  ASSERT_TRUE(child.run());
  EXPECT_EQ(observed(child.pid()), static_cast<std::uint32_t>(MTLSWATCH_OBSERVED_LISTENER));
  const auto listens = changes_of(child.pid(), MTLSWATCH_PROCESS_LISTEN);
  ASSERT_EQ(listens.size(), 1u);
  EXPECT_EQ(listens[0].port, child.notes()[0]);
  EXPECT_EQ(listens[0].observed, static_cast<std::uint32_t>(MTLSWATCH_OBSERVED_LISTENER));
}

}  // namespace
}  // namespace mtlswatch::test
