plugins {
    id("com.android.application")
}

android {
    namespace = "kerassal.app"
    compileSdk = 36

    defaultConfig {
        applicationId = "kerassal.app.$slug"
        minSdk = 24
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

dependencies {
    implementation(project(":detector"))
}
