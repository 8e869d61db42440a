// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/proc_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/probe/fake_proc.h"

namespace mtlswatch {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(ProcReader, reads_a_name_with_parentheses_and_blanks) {
  FakeProc proc;
  proc.put({.pid = 7, .parent_pid = 3, .start_time_ticks = 99, .image = 5, .virtual_bytes = 4096, .name = "a) R 1 (b"});
  const auto stat = proc.reader().stat(7);
  ASSERT_TRUE(stat) << stat.error().message;
  EXPECT_EQ(stat->name, "a) R 1 (b");
  EXPECT_EQ(stat->parent_pid, 3u);
  EXPECT_EQ(stat->start_time_ticks, 99u);
  EXPECT_EQ(stat->virtual_bytes, 4096u);
  EXPECT_EQ(stat->image, (ImageMark{5, 5, 5}));
}

TEST(ProcReader, says_what_is_wrong_with_a_stat_in_another_form) {
  FakeProc proc;
  proc.put({.pid = 7});
  for (const char* text : {"", "7 (x", "7 )x( S 1", "7 (x) S", "7 (x) S one 2 3"}) {
    proc.write(proc.proc() + "/7/stat", text);
    const auto stat = proc.reader().stat(7);
    ASSERT_FALSE(stat) << text;
    EXPECT_THAT(stat.error().message, HasSubstr("7/stat: not in the form"));
  }
}

TEST(ProcReader, names_the_file_of_a_process_that_vanished) {
  FakeProc proc;
  const auto reader = proc.reader();
  EXPECT_THAT(reader.stat(8).error().message, HasSubstr("/8/stat: No such file"));
  EXPECT_FALSE(reader.command_line(8));
  EXPECT_FALSE(reader.executable(8));
  EXPECT_FALSE(reader.executable_file(8));
  EXPECT_FALSE(reader.effective_uid(8));
  EXPECT_FALSE(reader.cgroup(8));
  EXPECT_FALSE(reader.working_directory(8));
  EXPECT_FALSE(reader.tls_libraries(8));
  EXPECT_FALSE(reader.environment_variable(8, "A").has_value());
}

TEST(ProcReader, joins_arguments_with_blanks_and_drops_the_padding_of_a_title) {
  FakeProc proc;
  proc.put({.pid = 7, .arguments = {"python3", "-m", "uvicorn"}});
  EXPECT_EQ(*proc.reader().command_line(7), "python3 -m uvicorn");
  proc.write(proc.proc() + "/7/cmdline", "gunicorn: worker [shop]   " + std::string(50, '\0'));
  EXPECT_EQ(*proc.reader().command_line(7), "gunicorn: worker [shop]");
  proc.write(proc.proc() + "/7/cmdline", std::string(100000, 'x'));
  EXPECT_THAT(*proc.reader().command_line(7), SizeIs(4096));
}

TEST(ProcReader, takes_the_effective_uid_and_not_the_real_one) {
  FakeProc proc;
  proc.put({.pid = 7, .uid = 33});
  EXPECT_EQ(*proc.reader().effective_uid(7), 33u);
}

TEST(ProcReader, prefers_the_cgroup_v2_line) {
  FakeProc proc;
  proc.put({.pid = 7, .cgroup = "5:cpu,cpuacct:/one\n0::/two\n"});
  EXPECT_EQ(*proc.reader().cgroup(7), "/two");
  proc.put({.pid = 7, .cgroup = "5:cpu,cpuacct:/one\n4:memory:/other\n"});
  EXPECT_EQ(*proc.reader().cgroup(7), "/one");
  proc.put({.pid = 7, .cgroup = "nonsense\n"});
  EXPECT_FALSE(proc.reader().cgroup(7));
}

TEST(ProcReader, finds_one_variable_by_its_whole_name) {
  FakeProc proc;
  proc.put({.pid = 7, .environment = {"NOT_PATH=1", "PATH=/bin", "EMPTY="}});
  EXPECT_EQ(proc.reader().environment_variable(7, "PATH"), "/bin");
  EXPECT_EQ(proc.reader().environment_variable(7, "EMPTY"), "");
  EXPECT_EQ(proc.reader().environment_variable(7, "PAT"), std::nullopt);
}

TEST(ProcReader, strips_deleted_from_a_replaced_executable) {
  FakeProc proc;
  proc.put({.pid = 7});
  std::filesystem::remove(proc.proc() + "/7/exe");
  std::filesystem::create_symlink("/usr/sbin/nginx (deleted)", proc.proc() + "/7/exe");
  EXPECT_EQ(*proc.reader().executable(7), "/usr/sbin/nginx");
}

TEST(ProcReader, trusts_an_executable_only_if_nobody_else_can_write_it) {
  FakeProc proc;
  const ProcReader stranger(proc.proc(), ::getuid() + 1);
  for (const auto& [mode, trusted] :
       std::vector<std::pair<unsigned, bool>>{{0755, true}, {0775, false}, {0757, false}}) {
    proc.put_file("/usr/sbin/nginx", "", mode);
    proc.put({.pid = 7, .executable = "/usr/sbin/nginx"});
    EXPECT_EQ(proc.reader().executable_file(7)->root_owned, trusted) << std::oct << mode;
    EXPECT_FALSE(stranger.executable_file(7)->root_owned);
  }
}

TEST(ProcReader, knows_the_spellings_of_libssl) {
  EXPECT_TRUE(is_library_name("libssl.so", "libssl"));
  EXPECT_TRUE(is_library_name("libssl.so.1.1", "libssl"));
  EXPECT_TRUE(is_library_name("libssl-81ffa89e.so.1.1", "libssl"));
  EXPECT_FALSE(is_library_name("libssl3.so", "libssl"));
  EXPECT_FALSE(is_library_name("libssl-notes.txt", "libssl"));
  EXPECT_FALSE(is_library_name("libcrypto.so.3", "libssl"));
}

TEST(ProcReader, finds_a_mapped_libssl_once_with_a_path_that_opens_it) {
  FakeProc proc;
  const std::string library = "/usr/lib/my folder/libssl.so.3";
  proc.put_file(library);
  proc.put({.pid = 7, .libraries = {library, library}});
  const auto libraries = proc.reader().tls_libraries(7);
  ASSERT_TRUE(libraries);
  ASSERT_THAT(*libraries, SizeIs(1));
  const TlsLibrary& found = libraries->front();
  struct ::stat file {};
  ASSERT_EQ(::stat(found.path.c_str(), &file), 0) << found.path;
  EXPECT_EQ(found.inode, file.st_ino);
  EXPECT_EQ(found.device, file.st_dev);
  EXPECT_EQ(found.display_path, library);
  EXPECT_THAT(found.path, HasSubstr("/7/root/usr/lib/"));
}

TEST(ProcReader, goes_through_the_mapping_when_the_library_was_replaced) {
  FakeProc proc;
  proc.put({.pid = 7});
  proc.put_file("/lib/libssl.so.3");
  proc.write(proc.proc() + "/7/maps",
             "7f10-7f20 r-xp 00001000 08:01 41   /lib/libssl.so.3\n"  // another file has the name now
             "7f30-7f40 r-xp 00001000 08:01 42   /lib/libssl.so.1.1 (deleted)\n"
             "7f50-7f60 r--p 00001000 08:01 43   /lib/libssl.so.9\n"  // not executable
             "7f70-7f80 r-xp 00001000 08:01\n"
             "/libssl.so\n");
  const auto libraries = proc.reader().tls_libraries(7);
  ASSERT_TRUE(libraries);
  ASSERT_THAT(*libraries, SizeIs(2));
  EXPECT_THAT((*libraries)[0].path, EndsWith("/7/map_files/7f10-7f20"));
  EXPECT_THAT((*libraries)[1].path, EndsWith("/7/map_files/7f30-7f40"));
  EXPECT_EQ((*libraries)[1].display_path, "/lib/libssl.so.1.1");
}

TEST(ProcReader, reads_this_very_process) {
  const ProcReader reader;
  const auto pid = static_cast<std::uint32_t>(::getpid());
  const auto stat = reader.stat(pid);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent_pid, static_cast<std::uint32_t>(::getppid()));
  EXPECT_GT(stat->start_time_ticks, 0u);
  EXPECT_NE(stat->image, ImageMark{});
  EXPECT_EQ(*reader.effective_uid(pid), ::geteuid());
  EXPECT_EQ(base_name(*reader.executable(pid)), base_name(std::filesystem::read_symlink("/proc/self/exe")));
  EXPECT_EQ(*reader.working_directory(pid), std::filesystem::current_path());
  EXPECT_TRUE(reader.cgroup(pid));
  EXPECT_THAT(*reader.pids(), ::testing::Contains(pid));
}

TEST(ProcReader, finds_the_libssl_that_this_process_has_mapped) {
  ASSERT_NE(OPENSSL_init_ssl(0, nullptr), 0);
  const auto libraries = ProcReader().tls_libraries(static_cast<std::uint32_t>(::getpid()));
  ASSERT_TRUE(libraries);
  ASSERT_THAT(*libraries, SizeIs(1));
  struct ::stat file {};
  ASSERT_EQ(::stat(libraries->front().path.c_str(), &file), 0);
  EXPECT_EQ(libraries->front().inode, file.st_ino);
}

}  // namespace
}  // namespace mtlswatch
