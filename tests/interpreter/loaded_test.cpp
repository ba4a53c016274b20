// Definitions by their text, what stands for secrets, addresses of repositories, references to other files.
#include "interpreter/loaded.hpp"

#include "interpreter/references.hpp"
#include "interpreter/resources.hpp"
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST(Load, ReadsATextOnce) {
  const std::string text = file_of("  - only-here: { set: { a: 1 } }\n");
  const std::size_t before = loads_so_far();
  const loaded_pointer first = load(text);
  EXPECT_EQ(load(text), first);
  EXPECT_EQ(loads_so_far(), before + 1);
  EXPECT_EQ(first->qualified_name, "flow.tests");
}

TEST(Load, KeepsWhatIsUsedThoughItForgetsIt) {
  const std::string text = file_of("  - kept: { set: { a: 1 } }\n");
  const loaded_pointer first = load(text);
  for (int n = 0; n < 300; ++n) load(file_of("  - a: { set: { n: " + std::to_string(n) + " } }\n"));
  const std::size_t before = loads_so_far();
  EXPECT_NE(load(text), first);
  EXPECT_EQ(loads_so_far(), before + 1);
  EXPECT_EQ(first->definition->tasks.front().name, "kept");
}

TEST(Load, KnowsHowSecretsAreNamed) {
  const loaded_pointer made = load(file_of("  - a: { set: { x: '${ $secrets.db.user + $secrets[\"api\"].key + $secrets.db[\"pass word\"] }' } }\n",
                                           "use: { secrets: [ db, api, unused ] }\n"));
  EXPECT_EQ(made->secrets, json({{"db", {{"user", secret_text("db.user")}, {"pass word", secret_text("db.pass word")}}},
                                 {"api", {{"key", secret_text("api.key")}}},
                                 {"unused", secret_text("unused")}}));
  EXPECT_TRUE(made->undeclared_secrets.empty());
}

TEST(RawAddress, LeadsToTheFileBehindThePage) {
  EXPECT_EQ(raw_address("https://github.com/a/b/tree/main/f.yaml"), "https://raw.githubusercontent.com/a/b/refs/heads/main/f.yaml");
  EXPECT_EQ(raw_address("https://github.com/a/b/blob/main/f.yaml"), "https://raw.githubusercontent.com/a/b/refs/heads/main/f.yaml");
  EXPECT_EQ(raw_address("https://gitlab.com/a/b/-/blob/main/f.yaml"), "https://gitlab.com/a/b/-/raw/main/f.yaml");
  EXPECT_EQ(raw_address("https://x.example/tree/f.yaml"), "https://x.example/tree/f.yaml");
}

TEST(References, AreFoundWhereverTasksStand) {
  const std::string run = "{ run: { workflow: { namespace: n, name: NAME, version: 1.0.0 } } }";
  const auto named = [&](const std::string& name) { return "{ t: " + std::string(run).replace(run.find("NAME"), 4, name) + " }"; };
  const loaded_pointer made = load(file_of("  - a: { do: [ " + named("in-do") + " ] }\n" +
                                           "  - b: { for: { in: '[1]' }, do: [ " + named("in-for") + " ] }\n" +
                                           "  - c: { fork: { branches: [ " + named("in-fork") + " ] } }\n" +
                                           "  - d: { try: [ " + named("in-try") + " ], catch: { do: [ " + named("in-catch") + " ] } }\n" +
                                           "  - e: { listen: { to: { any: [] } }, foreach: { do: [ " + named("in-foreach") + " ] } }\n",
                                           "use: { functions: { f: { do: [ " + named("in-function") + " ] } }, extensions: [ { x: { extend: all, before: [ " +
                                               named("in-before") + " ], after: [ " + named("in-after") + " ] } } ] }\n"));
  std::vector<std::string> names;
  for (const workflow_reference& each : workflows_run_by(*made->definition)) names.push_back(each.name);
  EXPECT_THAT(names, UnorderedElementsAre("in-do", "in-for", "in-fork", "in-try", "in-catch", "in-foreach", "in-function", "in-before", "in-after"));
}

}  // namespace
}  // namespace evermill::interpreter
