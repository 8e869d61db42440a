// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/child.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace mtlswatch::test {
namespace {

constexpr int kPatienceMs = 10'000;

bool read_one(int fd, int timeout_ms) {
  pollfd readable{fd, POLLIN, 0};
  char byte = 0;
  return poll(&readable, 1, timeout_ms) == 1 && read(fd, &byte, 1) == 1;
}

void write_one(int fd) { must(write(fd, "x", 1) == 1, "write"); }

}  // namespace

void must(bool condition, std::string_view what) {
  if (condition) return;
  fprintf(stderr, "child: %.*s: %s\n", static_cast<int>(what.size()), what.data(), strerror(errno));
  _exit(1);
}

// The two talk through a socket pair, which the kernel side must not follow: a pair that keeps packets apart.
Child::Child(std::function<void(Notes&)> body) {
  void* shared = mmap(nullptr, sizeof(Notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int ends[2] = {-1, -1};
  if (shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) abort();
  notes_ = new (shared) Notes{};
  parents_end_ = UniqueFd(ends[0]);
  childs_end_ = UniqueFd(ends[1]);
  pid_ = fork();
  if (pid_ == 0) live(body);
}

void Child::live(const std::function<void(Notes&)>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  parents_end_ = UniqueFd();
  must(read_one(childs_end_.get(), -1), "wait for the test");
  body(*notes_);
  write_one(childs_end_.get());
  read_one(childs_end_.get(), -1);
  _exit(0);
}

Child::~Child() {
  if (pid_ > 0) kill(pid_, SIGKILL);
  end();
  munmap(notes_, sizeof(Notes));
}

void Child::start() { EXPECT_EQ(write(parents_end_.get(), "x", 1), 1); }

bool Child::finished() {
  childs_end_ = UniqueFd();
  return read_one(parents_end_.get(), kPatienceMs);
}

int Child::end() {
  if (pid_ <= 0) return 0;
  childs_end_ = UniqueFd();
  parents_end_ = UniqueFd();
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

}  // namespace mtlswatch::test
