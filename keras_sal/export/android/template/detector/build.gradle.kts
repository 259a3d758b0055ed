plugins {
    id("com.android.library")
}

android {
    namespace = "kerassal.detector"
    compileSdk = 36

    defaultConfig {
        minSdk = 24
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    sourceSets {
        getByName("test").resources.srcDir("src/main/assets") // for golden.json
    }
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.1.6")
    testImplementation("junit:junit:4.13.2")
}
