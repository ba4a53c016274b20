#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace evermill::tests {

/// Makes the directory, which nobody has open, one of an evermill that did not know the family.
inline void drop_family(const std::filesystem::path& directory, const std::string& family) {
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, directory.string(), &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, directory.string(), families, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (rocksdb::ColumnFamilyHandle* const each : handles) {
    if (each->GetName() == family) {
      EXPECT_TRUE(db->DropColumnFamily(each).ok());
    }
    db->DestroyColumnFamilyHandle(each);
  }
}

}  // namespace evermill::tests
