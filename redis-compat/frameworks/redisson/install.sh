wants_cairn || return 1
java_program redisson redisson pom.xml Day Day.java
